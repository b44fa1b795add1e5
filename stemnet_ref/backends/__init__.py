"""How the operations of the layers are computed: `cpu` and `cuda`."""
