"""One step of training worked out number by number, as a page: python -m stemnet_ref.explain --help"""
