"""What the gate believes: values in, values out. No I/O, no clock, no logging, no environment."""
