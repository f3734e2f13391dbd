import { expect, test } from "vitest";
import { MASK, masked } from "./masked";

test("what sounds like a secret is masked wherever it is", () => {
  expect(
    masked({
      env: { DB_PASSWORD: "hunter2", STAGE: "test", "api-key": "hunter2" },
      tokens: ["hunter2"],
      variables: { properties: { aws_secret_access_key: { type: "string", title: "Key", default: "hunter2" } } },
      job_configuration: { secret_key: "{{ aws_secret_access_key }}" },
      author: "somebody",
      pwd: null,
    }),
  ).toEqual({
    env: { DB_PASSWORD: MASK, STAGE: "test", "api-key": MASK },
    tokens: [MASK],
    variables: { properties: { aws_secret_access_key: { type: "string", title: "Key", default: MASK } } },
    job_configuration: { secret_key: "{{ aws_secret_access_key }}" },
    author: "somebody",
    pwd: null,
  });
});
