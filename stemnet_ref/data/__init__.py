"""The way from picture files to batches.

`formats` reads files; `images` and `masks` say what their values mean; `discovery`, behind `frames.find` and
`pairing.find_pairs`, finds time-lapses and their masks. `training` makes the data of a run of these, by `headers`,
`split`, `inspection` and `balance`. `dataset` decodes frames and cuts them into `crops`. `check` and `preprocess` are
programs.
"""
