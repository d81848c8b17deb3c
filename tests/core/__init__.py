"""Tests of what the gate believes: values in, values out."""
