"""validate: what an event is (``model``), bytes to values (``normalise``), values to records or rejections (``validate``)."""
