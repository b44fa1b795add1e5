"""Columns of the tables that this package writes and reads back.

The cost is called cost everywhere but in metrics.csv, whose columns train_loss and val_loss keep the names that they
have in every run's folder.
"""

# metrics.csv of a training run, a row for each epoch
COLUMNS = ("epoch", "seconds", "learning_rate", "train_loss", "val_loss", "train_accuracy", "val_accuracy", "precision",
           "recall", "f1", "f1_pooled", "error_rate_percent", "false_white_pixels", "false_white_fraction",
           "white_pixel_accuracy", "iou", "dice", "kappa", "roc_auc", "tp", "fp", "tn", "fn", "train_precision",
           "train_recall", "train_f1", "train_error_rate_percent", "train_false_white_fraction",
           "train_white_pixel_accuracy")
# validation.csv of a training run and metrics.csv of run_predict.py, a row for each image
IMAGE_COLUMNS = ("frame", "accuracy", *COLUMNS[COLUMNS.index("precision"):COLUMNS.index("f1_pooled")],
                 *COLUMNS[COLUMNS.index("error_rate_percent"):COLUMNS.index("train_precision")])
ROC_COLUMNS = ("false_positive_rate", "true_positive_rate", "margin")
EDGE_COLUMNS = ("row", "column")
