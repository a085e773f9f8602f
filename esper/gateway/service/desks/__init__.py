"""What is told beside answers: models, receipts, usage."""
