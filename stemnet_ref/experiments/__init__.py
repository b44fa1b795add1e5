"""The thesis's comparison of networks (sections 13 to 15): python -m stemnet_ref.experiments table3 --help"""
