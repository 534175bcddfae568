"""Events over HTTP for producers that cannot speak Kafka: a request becomes records, and is answered once they are in
the topic.

    request -> body.records_of -> check.checked -> topic.Topic.write -> answer
"""
