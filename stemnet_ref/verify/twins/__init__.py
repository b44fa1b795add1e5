"""The network and its layers in three frameworks, written out there, to compare with and to start from."""
