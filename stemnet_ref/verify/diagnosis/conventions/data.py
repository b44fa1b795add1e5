"""Conventions of what goes in: the input and the labels."""

from ...expected.inputs import AXES, SHIFTS
from .convention import Convention, alike

FRAMES = "x = (frame - mean) / std of the training frames (section 6.1)"
WHOLE = "write x = (frame - mean) / std, with both numbers from the golden file"
SCALED = "x = (frame - mean) / std (section 6.1)"
CONVENTIONS = {
    **alike(FRAMES, WHOLE,
            input_divided_by_255="the frames go in divided by 255",
            input_divided_by_256="the frames go in divided by 256",
            input_raw="the frames go in as they are, from 0 to 255",
            input_by_imagenet="the frames are divided by 255 and scaled by ImageNet's means and standard deviations"),
    **alike(FRAMES, WHOLE, (127.5, 128.0),
            input_minus_one_to_one="the frames are scaled to between -1 and 1, as frame / {value} - 1"),
    **alike(FRAMES, WHOLE, (*AXES,),
            input_scaled_by_frame="each {value} is scaled by its own mean and standard deviation",
            input_scaled_by_frame_unbiased="each {value} is scaled by its own mean and standard deviation, with n - 1 "
                                           "in the variance",
            input_from_0_to_1="each {value} is scaled by its own smallest and largest number to between 0 and 1"),
    **alike(SCALED, "write x = (frame - mean) / std",
            input_not_centred="the mean is not subtracted from the frames",
            input_not_divided="the frames are centred but not divided by their standard deviation",
            input_centred_over_255="the frames are centred and divided by 255",
            input_divided_by_variance="the frames are centred and divided by the variance",
            input_by_255_before_mean="the frames are divided by 255 before they are scaled by mean and std, which are "
                                     "those of grey values from 0 to 255"),
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
        "the frames of the window go in in reverse order", "frame j - (C-1)/2 + c in channel c, the earliest first",
        "stack the frames as they follow in time"),
    **alike("images (N, H, W, C), rows from the top, columns from the left", "give the frames as they are",
            input_transposed="the input's rows and columns are exchanged",
            input_in_reverse_order="the images of the batch go in in reverse order",
            input_flipped_rows="the input is upside down",
            input_flipped_columns="the input has left and right exchanged"),
    **alike("each image's own, (N, H, W), pixel for pixel", "read labels and frames in the same way",
            labels_transposed="the labels' rows and columns are exchanged",
            labels_in_reverse_order="the labels of the batch are in reverse order",
            labels_flipped_rows="the labels are upside down",
            labels_flipped_columns="the labels have left and right exchanged"),
    "labels_shifted": Convention(
        "the labels are shifted by a pixel {value}", "each pixel's own", "look for an offset where masks are read, "
        "cropped or padded", (*SHIFTS,)),
    "labels_swapped": Convention(
        "cell and background are exchanged in the labels", "0 for background, 1 for the cell",
        "write labels = (mask != 0), not (mask == 0)"),
}
