"""Request logs in ClickHouse, and all else in SQL: who has very many logs keeps them where they are cheap to search.

Law: no transaction spans two stores. A log's id is taken in SQL, in the transaction that counts it (`log_ids`, the
inbox); its row goes to ClickHouse before that transaction commits. Whoever dies in between takes the id again and sends
the row again, and the engine keeps one of the two (`tables`). So nothing is counted twice, and what is counted is kept.

What is asked is asked as ever, by SQLAlchemy's values: a connection sends what is about logs to ClickHouse (`split`),
in its own words (`compiler`).
"""
