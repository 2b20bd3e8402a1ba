"""What users say of answers, and training with the sounds that they let us keep."""
