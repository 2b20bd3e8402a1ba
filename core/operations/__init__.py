"""What an administrator does: database, sign-in, training jobs, models in use, feedback."""
