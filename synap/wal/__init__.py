"""The write-ahead log: the ordered, durable record of batches whose payloads are opaque here.

==============  ==========================================================================
``interface``   what a log is: the ``Log`` seam and its values
``format``      the bytes of a segment and of a frame (and nowhere else)
``verdict``     torn or corrupt: the judgement on the first bad frame
``segment``     one segment file, read and checked
``reader``      all segments of a directory, read and checked as one log
``cursor``      the same, a piece at a time
``writer``      one segment file, written
``local``       ``LocalLog``: segments in a directory
``memory``      ``MemoryLog``: a list
==============  ==========================================================================
"""
