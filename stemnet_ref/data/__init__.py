"""The way from picture files to batches.

A frame goes this way: `frames.find` finds its file and `discovery.names` its place in a sequence; `pairing.find_pairs`
finds its mask; `headers.inspect` reads its size and finds its neighbours; `dataset.Dataset` decodes it, by
`images.read_frame` and `formats`; `crops` cut it, and `scaling` brings its grey levels to those of the network.
`training` is the data of a run, made of these by `split`, `fitting` and `balance`. `check` and `preprocess` are
programs.

Some arguments are the same everywhere, and described here alone:

    frames      Frames in the order of `frames.find`
    masks       the mask of each frame, a Frame as well, or None for a frame without one
    dataset     a `dataset.Dataset` of these
    channels    frames in the network's window, odd
    neighbours  of a frame in its window: "frames", those of its sequence, or "copies" of itself
    option      by which the user named a path, such as "--frames"
    selection   `discovery.selection.Selection` of a channel and a slice, where files hold several
    lenient     whether to go on without files that cannot be used; otherwise each is an InputError
    settings    `training.settings.Settings` of the run
    log         function that prints a line of text for the user
"""
