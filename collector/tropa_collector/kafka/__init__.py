"""The log of many machines: a collector's batches wait in a Kafka topic until a worker has them in the store."""
