"""Arguments in, one call, text and exit code out.

`commands/` has one file for each command: what can be typed after it, and its help. Where what the
command then does is more than a few lines, it stands in a module beside that folder, which is
imported when the command runs, so that help and completion never wait for NumPy.
"""
