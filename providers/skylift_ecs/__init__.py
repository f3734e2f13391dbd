"""The `ecs:push` provider: flow runs as tasks of Amazon ECS, on Fargate or on machines of one's own."""
