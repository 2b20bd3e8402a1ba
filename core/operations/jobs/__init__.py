"""Training jobs: processes, queue, records, worker, monitor, and what an administrator does with them."""
