"""SavedModels: written, compared with what was trained, asked and served."""
