"""The journal: append-only files between the data plane and the clerk (DESIGN §1, "The journal, precisely").

Law: a frame that was appended is a frame that will be read, whatever dies in between. Pure bytes and files: no SQL, no
sockets, no understanding of what a call says.
"""
