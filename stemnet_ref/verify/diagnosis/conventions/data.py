"""Conventions of what goes in: the input."""

from .convention import Convention, alike

SCALED = "x = (frame - mean) / std (section 6.1)"
CONVENTIONS = {
    **alike("x = (frame - mean) / std of the training frames (section 6.1)",
             "write x = (frame - mean) / std, with both numbers from the golden file",
             input_divided_by_255="the frames go in divided by 255",
             input_raw="the frames go in as they are, from 0 to 255"),
    **alike(SCALED, "write x = (frame - mean) / std",
             input_not_centred="the mean is not subtracted from the frames",
             input_not_divided="the frames are centred but not divided by their standard deviation"),
    "input_minus_127": Convention(
        "127 is subtracted from the frames and nothing else, as in the listing",
        "x = (frame - mean) / std (section 6.1, row 2)", "write x = (frame - mean) / std"),
    **alike(SCALED, "take out the second scaling",
             input_times_255="the input is multiplied by 255 after it was scaled",
             input_over_255="the input is divided by 255 after it was scaled (as torchvision's ToTensor does with "
                            "bytes)"),
    "nhwc_read_as_nchw": Convention(
        "the input's memory, (N, H, W, C), is read as (N, C, H, W)", "channels last",
        "write x.transpose(0, 3, 1, 2), not x.reshape(n, c, h, w)"),
    "frames_reversed": Convention(
        "the frames of the window go in in reverse order", "channel c is frame j - (C-1)/2 + c, the earliest first",
        "stack the frames as they follow in time"),
}
