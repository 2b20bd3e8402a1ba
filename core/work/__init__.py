"""Long work: in blocks over processes, in the background, and how far it is."""
