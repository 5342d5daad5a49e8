"""One file per command: the function named as its file is the command, and nothing else is listed anywhere.

What is heavy (settings, database, formats) is imported inside the function, so that `gateway --help` stays instant.
"""
