"""Long work: how far it is, in blocks over processes, in the background."""
