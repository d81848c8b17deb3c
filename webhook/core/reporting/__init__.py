"""Rows → documents: the DecisionReport, and every form in which a report is printed, sent or kept."""
