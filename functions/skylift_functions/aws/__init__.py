"""The AWS platform: the verbs as Lambda functions, woken by a timer, by SQS and by EventBridge."""

from skylift_functions.aws.platform import PLATFORM, AwsPlatform

__all__ = ["PLATFORM", "AwsPlatform"]
