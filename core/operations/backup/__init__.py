"""All that cannot be made again as one file: what it holds, how it is written, how it is brought back."""
