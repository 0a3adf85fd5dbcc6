"""The uploader: sends what plans say to the platform by STOW-RS, and lets originals go after their receipts."""
