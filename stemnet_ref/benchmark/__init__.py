"""Measure the reference's speed and memory, alone or beside PyTorch: python -m stemnet_ref.benchmark --help"""
