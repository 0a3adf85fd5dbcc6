"""A fast C-STORE SCU: several associations, prebuilt PDUs, one write per object, honest latencies."""
