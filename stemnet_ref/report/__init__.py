"""What people look at: figures, feature maps, the page of a run, TensorBoard's summaries."""
