"""The audit: lists what lives in a cluster or stands in files, has it reviewed, and changes nothing."""
