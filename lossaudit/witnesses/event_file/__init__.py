"""TensorBoard event files from the bytes up: record framing, protobuf wire format, events."""
