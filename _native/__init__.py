"""Native cores: bytes in, values out; no I/O, nothing imported from `engine`."""
