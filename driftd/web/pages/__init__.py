"""The pages: a module each, templates in files."""
