"""What the console reads, and scripts may: one answer for one view of a page."""
