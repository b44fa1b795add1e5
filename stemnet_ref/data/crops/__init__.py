"""What a training step sees: crops of frames, cells pasted into them, the crops of an epoch, and their batches."""
