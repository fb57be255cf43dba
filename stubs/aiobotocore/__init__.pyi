# aiobotocore 3 ships no types; what this repository uses is here. Delete it when it does.
