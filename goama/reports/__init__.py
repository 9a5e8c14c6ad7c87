"""Pages a person looks at: one self-contained HTML file each, that opens offline, on a phone, and prints."""
