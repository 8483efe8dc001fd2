"""What every recipe is made of: parameters, context, the panel's heading, and a result whose strings forge nothing."""
