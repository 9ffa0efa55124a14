"""The wire: messages, enumerations, the task state table. No I/O, nothing imported from the rest of the package.

Server, runner and SDK meet only here. The public REST part follows the protocol of the `inductiva` Python
client 0.18; the part between server and runner (`runner`) and the watch stream (`watch`) are our own.
"""
