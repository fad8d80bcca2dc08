"""The command line: one small module a command or group of commands, put together by `main`.

Nothing heavy is imported until the command that needs it runs, so that ``tosser check`` starts quickly and needs no
broker library.
"""
