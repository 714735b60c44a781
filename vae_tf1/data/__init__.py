"""Where images and labels come from, and how they are handed out."""
