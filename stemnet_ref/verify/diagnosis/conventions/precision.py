"""Conventions of the format of numbers."""

from .convention import Convention

CONVENTIONS = {
    "tf32": Convention(
        "products are done in TF32, with 10 bits behind the point", "float32, with 23",
        'write torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False, '
        'tf.config.experimental.enable_tensor_float_32_execution(False), jax_default_matmul_precision="highest"'),
    "half": Convention(
        "layers are done in half precision (float16), with 10 bits behind the point", "float32, with 23",
        "leave out autocast and .half() where you verify"),
    "bfloat16": Convention(
        "layers are done in bfloat16, with 7 bits behind the point", "float32, with 23",
        "leave out autocast and mixed precision where you verify"),
    **{f"{_name}_weights": Convention(
        f"the weights alone are rounded to {_bits} bits behind the point, as {_word} has them", "those of float32, 23",
        "load weights that were not saved so, and leave out .half() and .bfloat16()")
       for _name, _word, _bits in (("half", "float16", 10), ("bfloat16", "bfloat16", 7))},
    "float32": Convention(
        "layers are done in float32", "float64 here",
        "write torch.set_default_dtype(torch.float64), jax_enable_x64=True; or export without --float64"),
}
for _mode in ("even", "truncated"):
    CONVENTIONS[f"tf32_{_mode}"] = CONVENTIONS["tf32"]
