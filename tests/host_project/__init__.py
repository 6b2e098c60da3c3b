"""A small application that resells AI: its views call OpenAI's client, metered, with nothing passed along.

It is served by a real server in a process of its own; `tests.host_project.settings` has the billing database,
`tests.host_project.settings_remote` knows a billing server's address only.
"""
