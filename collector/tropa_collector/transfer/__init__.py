"""transfer: data in and out beside the public listener: replay of quarantine, backup, import, export."""
