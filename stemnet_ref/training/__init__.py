"""The way of a training run, from settings to a trained model.

A run goes this way: `settings` are its numbers and choices, `saved` finds them in the folder of a run that was left;
`run.begin_run` makes the first `progress.State`, or `resume` reads the one that was left; `step` changes it, forward,
cost, backward, update; `run.Run` goes through the epochs; `validation` measures after each of them, on frames that
nothing is trained on; and `checkpoint` writes the model. The data are made by `data.training`.
"""
