"""The Live screen's parts: taking in the microphone, the moving picture, the report."""
