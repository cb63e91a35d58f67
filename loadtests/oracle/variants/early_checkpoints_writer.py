"""The writer of ``early_checkpoints``."""

from tropa_collector.store.sqlite.writing import writer

if __name__ == "__main__":
    writer.CHECKPOINT_BYTES = 300_000
    writer.main()
